"""
MiniStack, with those things mended without which the deployed stack could not be seen at work (docs/local.md). Each file
of mended/ changes one service as it is imported.
They touch what is private to the version that local/stack/requirements.txt pins.
"""

from ministack.app import main
from ministack.services import eventbridge, tagging

import mended.errors
import mended.maps
import mended.names
import mended.permissions
import mended.references
import mended.regions
import mended.rotation
import mended.versions

# PutEvents takes the events of AWS's services, as of Secrets Manager, whose own are not sent here.
eventbridge._put_events.__defaults__ = (True,)

# Its tagging API leaves out parameters and secrets, though it can collect their tags for other calls.
tagging._COLLECTORS.update(ssm=tagging._collect_ssm, secretsmanager=tagging._collect_secretsmanager)
main()
