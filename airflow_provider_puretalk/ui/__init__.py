"""The pages inside Airflow, 3.1.1 and newer: rendered on the server, without a line of JavaScript.

Airflow authenticates nothing of what a plugin mounts, and the pages share its origin. So every route asks its auth manager
(:mod:`.access`), every response forbids scripts (:mod:`.headers`), and what is opened is below the destinations that
``[puretalk] ui_destinations`` names (:mod:`.destinations`), never a path out of an address or an XCom.
"""
