"""Backup of everything that Dyad stores into one file, and restore. Face: `backup.BackupService`, `restore.RestoreService`.

Called by the API and the command line through the container.
"""
