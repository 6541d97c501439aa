"""What the pages are made of: the frame, forms, views and sections."""
