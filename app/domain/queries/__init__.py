"""What is searched for: filters, examples, order, and saved searches."""
