"""Few-shot classes of tiles, and suggestions of tiles to label. Entry points: `ClassService` and `SuggestionService`.

Called by the API; it calls `catalogue`. The classifier is `models.bundle.open_set`.
"""
