"""What ./dev can do: one module a task, or a family of tasks."""

import importlib
import pkgutil

from invoke import Collection

namespace = Collection()
for module in pkgutil.iter_modules(__path__):
    if module.name in ("common", "package_formats"):
        continue
    loaded = importlib.import_module(f"tasks.{module.name}")
    family = Collection.from_module(loaded)
    if module.name in ("lab", "bench"):
        namespace.add_collection(family, module.name)
    else:
        for task in family.tasks.values():
            namespace.add_task(task)
