"""The parts of `benchmarks.compression`: federations with codecs, TernGrad, curves and clocks."""
