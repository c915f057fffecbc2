"""Backup of all stored data to one file, and restore. Entry points: `backup.BackupService` and `restore.RestoreService`.

Called by the command line through the container; it may call every other service.
"""
