"""Words only: templates and few-shot examples, as data files."""
