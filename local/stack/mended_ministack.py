"""
Starts MiniStack with patches, as the stack needs what MiniStack lacks or does otherwise than AWS (docs/local.md). Each file of
mended/ patches one service when it is imported. The patches replace private functions of the one version of MiniStack that
local/stack/requirements.txt names.
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

# PutEvents accepts events in the name of AWS's services: tests send those that Secrets Manager does not send here.
eventbridge._put_events.__defaults__ = (True,)

# GetResources also returns parameters and secrets.
tagging._COLLECTORS.update(ssm=tagging._collect_ssm, secretsmanager=tagging._collect_secretsmanager)
main()
