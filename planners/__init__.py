"""What is worth doing next: the SayCan decision and the language models behind it."""
