"""What is averaged of a column's sorted values: the kinds of `rules.Window`.

By themselves, so that naming a rule does not start the compiler of what carries it out.
"""

TRIMMED = 0  # the values from place `start` to `stop`
NEAREST_MEDIAN = 1  # so many that are nearest to the median
NEAREST_TRIMMED = 2  # so many that are nearest to the mean without `start` at each end
SIGNS = 3  # the sign of the majority
