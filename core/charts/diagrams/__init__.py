"""Static diagrams for papers and pages: one file a figure, each a function from a record to an Altair chart."""
