"""Few rows, many columns: the columns integrated out, scores with a joint covariance."""
