"""What every pipeline of one comparison must deliver: the task, and the transforms that it may ask for."""

from helpers.tasks.task import EVERY_EPOCH as EVERY_EPOCH, ONCE as ONCE, SOURCES as SOURCES, Task as Task
