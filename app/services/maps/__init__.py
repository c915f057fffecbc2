"""Map tiles in the Web Mercator grid: the similarity of saved searches, and the imagery of collections."""
