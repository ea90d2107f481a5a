"""Attack × rule × heterogeneity × liars: every combination is run, and heat maps show the worst."""
