/**
 * @returns the resources and conditions of the statements by which a promotion may write, tag and schedule secrets. `here` and
 * `everywhere` are ARN patterns of secrets in this Region and in all Regions, and `peers` the other Regions.
 */
export function ofPromotion(here: string, everywhere: string, peers: string[]): Record<string, object> {
  const tagged = (tag: string) => ({ [`aws:ResourceTag/keyturn:${tag}`]: 'true' })
  const both = <T>(limit: (tag: string) => T) => [limit('managed'), limit('admin')] as const
  const [managed, admin] = both(tag => ({ Resource: here, Condition: { StringEquals: tagged(tag) } }))
  const keys = { 'ForAllValues:StringLike': { 'aws:TagKeys': ['keyturn:home', 'keyturn:given-up:*'] } }
  const [tagManaged, tagAdmins] = both(tag => ({
    Resource: here,
    Condition: { StringEquals: tagged(tag), ...keys },
  }))
  const own = 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-rotateSecret'
  const [scheduleManaged, scheduleAdmins] = both(tag => ({
    Resource: here,
    Condition: {
      StringEquals: tagged(tag),
      ArnEquals: { 'secretsmanager:RotationLambdaARN': own },
    },
  }))
  const [homeOfManaged, homeOfAdmins] = both(tag => ({
    Resource: everywhere,
    Condition: {
      StringEquals: {
        ...{ 'aws:RequestedRegion': peers, 'aws:RequestTag/keyturn:home': 'eu-west-1' },
        ...tagged(tag),
      },
      'ForAllValues:StringEquals': { 'aws:TagKeys': ['keyturn:home'] },
    },
  }))
  const [schedulesOfManaged, schedulesOfAdmins] = both(tag => ({
    Resource: everywhere,
    Condition: { StringEquals: { 'aws:RequestedRegion': peers, ...tagged(tag) } },
  }))
  return {
    SecretsOfRegions: {
      Resource: '*',
      Condition: { StringEquals: { 'aws:RequestedRegion': ['eu-west-1', ...peers] } },
    },
    ...{ ManagedReplicas: managed, AdminReplicas: admin, TagManaged: tagManaged, TagAdmins: tagAdmins },
    ...{ ScheduleManaged: scheduleManaged, ScheduleAdmins: scheduleAdmins },
    ...{ HomeOfManaged: homeOfManaged, HomeOfAdmins: homeOfAdmins },
    ...{ SchedulesOfManaged: schedulesOfManaged, SchedulesOfAdmins: schedulesOfAdmins },
  }
}
