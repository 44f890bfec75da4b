"""Training inside a budget: data, tasks, the loop, and the penalties that steer it."""
