"""Files of web servers and S3 stores, read under the policy of DYAD_READ_ROOTS."""
