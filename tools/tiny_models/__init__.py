"""How the two models that ship inside the package are made: corpus, vocabulary, training, export, check."""
