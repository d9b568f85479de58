"""Robots that speak ROS 2: arms of one's own, and simulators such as Gazebo and Isaac Sim."""
