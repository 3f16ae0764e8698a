"""Servers, builders and other helpers of the tests."""

import atexit
import os
import shutil
import tempfile

# Set before dlt reads it, so that the user's own .dlt folder does not affect the tests.
os.environ["DLT_PROJECT_DIR"] = tempfile.mkdtemp(prefix="hello-korea-tests-")
atexit.register(shutil.rmtree, os.environ["DLT_PROJECT_DIR"], ignore_errors=True)
