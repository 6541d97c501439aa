"""What is read off attention maps: regions, traits of heads, series that evolve, files from elsewhere; numpy only."""
