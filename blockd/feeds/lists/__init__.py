"""Text lists of names, in any of `blockd.formats.text_formats`."""
