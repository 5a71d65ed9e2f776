"""
CloudFormation: names that are unique in an account, so that the stack can be deployed to several Regions.
"""

from ministack.core.responses import AccountScopedDict, get_region
from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

physical_name = provisioners._physical_name
handlers = provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::Dashboard"]
create_dashboard = handlers["create"]


def name_in_region(*arguments, **more):
    """
    As CloudFormation does: a name that it makes, such as a role's, differs between Regions. MiniStack makes the name of the stack's
    name alone, so the stack in a second Region would use the roles of the first one.
    """
    seed = provisioners._NAME_SEED
    token = seed.set(seed.get() + get_region())
    try:
        return physical_name(*arguments, **more)
    finally:
        seed.reset(token)


def create_new_dashboard(logical_id, props, stack_name):
    """As CloudFormation does: creating a dashboard fails if one of its name exists, in whichever Region it was made."""
    name = props.get("DashboardName")
    if name in cloudwatch._dashboards:
        raise ValueError(f"{name} already exists")
    return create_dashboard(logical_id, props, stack_name)


provisioners._physical_name = name_in_region
# An account has one set of dashboards for all Regions:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Dashboards.html
cloudwatch._dashboards = AccountScopedDict()
handlers["create"] = create_new_dashboard
