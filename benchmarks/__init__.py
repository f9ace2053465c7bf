"""Speed and memory of halfseen against other libraries, as ratios taken in one interleaved job."""
