"""What is averaged of a column's sorted values, the kinds of `rules.Window`; what layers tell.

By themselves, so that naming a rule does not start the compiler of what carries it out.
"""

TRIMMED = 0  # the values from place `start` to `stop`
NEAREST_MEDIAN = 1  # so many that are nearest to the median
NEAREST_TRIMMED = 2  # so many that are nearest to the mean without `start` at each end
SIGNS = 3  # the sign of the majority

# what is known of a row in a layer, for rules that look at layers
ALL = 0  # the sum of all squares
LARGE = 1  # the sum of the large values' squares
POSITIVE = 2  # how many large values are positive
NEGATIVE = 3  # and how many negative
