"""Exit codes of the commands. The README explains them."""

OK, FAILED, BAD_SETTING, RUNNING, INTERRUPTED = 0, 1, 2, 3, 130
