"""Input pipelines of Keras models, compared fairly and measured on the reader's own machine."""
