import { accountIn, regionIn } from '../../rotation/arn.ts'
import { outputOf, type Stack } from '../stack.ts'

/** The parts from which the ARNs of a stack's resources are made. */
export type StackLocation = {
  partition: string
  region: string
  account: string
  /** The stack's name. Names that CloudFormation chooses begin with it. */
  stack: string
  /** How names that the template chooses begin, such as keyturn-prod. */
  namePrefix: string
  /** The domain of AWS in that partition, such as amazonaws.com. */
  urlSuffix: string
}

/** The location of a deployed stack, from its output RotateStateMachineArn. */
export const locationOf = (stack: Stack): StackLocation => {
  const arn = outputOf(stack, 'RotateStateMachineArn')
  return {
    ...locationIn(regionIn(arn) ?? '', accountIn(arn) ?? ''),
    stack: stack.name,
    namePrefix: (arn.split(':').at(-1) ?? '').replace(/-rotate$/, ''),
  }
}

/** The parts of a location that depend only on the Region and the account. */
export function locationIn(
  region: string,
  account: string,
): Pick<StackLocation, 'partition' | 'region' | 'account' | 'urlSuffix'> {
  const partition = region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
  const suffix = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com'
  return { partition, region, account, urlSuffix: suffix }
}
