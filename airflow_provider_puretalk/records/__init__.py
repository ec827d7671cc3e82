"""What one assistant's record is: models, JSON, fields, equality, redaction. No HTTP, no files, no Airflow."""
