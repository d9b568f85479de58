"""Words only: templates and few-shot examples, as data files.

`saycan.planners.prompt.Prompt.load` reads them; a file of your own anywhere on disk is read in the same way.
"""
