"""Records: files of twelve leads, read right or refused with one true reason."""
