"""What the console shows, each computed in one place; the shapes are those of `blockd.web.figures`."""
