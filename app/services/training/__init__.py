"""Training and evaluation of a collection's model by child programs. Face: `training.TrainingService`.

Called by the API and the command line as jobs.
"""
