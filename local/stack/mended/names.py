"""
CloudFormation: names of which an account has one for all its Regions, so that the stack can be deployed in several.
"""

from ministack.core.responses import AccountScopedDict, get_region
from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

physical_name = provisioners._physical_name
handlers = provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::Dashboard"]
create_dashboard = handlers["create"]


def name_in_region(*arguments, **more):
    """
    As CloudFormation does: what it names itself, such as a role, has another name in another Region. MiniStack makes the
    name of the stack's alone, and the second stack would take the first one's roles.
    """
    seed = provisioners._NAME_SEED
    token = seed.set(seed.get() + get_region())
    try:
        return physical_name(*arguments, **more)
    finally:
        seed.reset(token)


def create_new_dashboard(logical_id, props, stack_name):
    """As CloudFormation does: a dashboard that is there already, from whichever Region, is not this stack's."""
    name = props.get("DashboardName")
    if name in cloudwatch._dashboards:
        raise ValueError(f"{name} already exists")
    return create_dashboard(logical_id, props, stack_name)


provisioners._physical_name = name_in_region
# Dashboards are global in an account.
cloudwatch._dashboards = AccountScopedDict()
handlers["create"] = create_new_dashboard
