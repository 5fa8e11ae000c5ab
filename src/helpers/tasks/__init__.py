"""What every pipeline of one comparison must deliver: the task, and the transforms that it may ask for."""

from helpers.tasks.task import SOURCES as SOURCES, Task as Task
