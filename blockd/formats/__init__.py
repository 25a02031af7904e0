"""The forms that lists have on the wire and on disk, read into names: bodies, lines, text formats, policy zones."""
