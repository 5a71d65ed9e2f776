/** The host name of AWS's console, by partition. The console of a Region has the Region's name before that, with a dot. */
const CONSOLE_HOSTS: Record<string, string> = {
  aws: 'console.aws.amazon.com',
  'aws-cn': 'console.amazonaws.cn',
  'aws-us-gov': 'console.amazonaws-us-gov.com',
}

const EXECUTION_ARN_PATTERN =
  /^arn:([\w-]+):states:([a-z]{2}(?:-[a-z]+){1,3}-\d):\d{12}:execution:[\w-]+(?:\/[\w-]+)?:[\w-]+$/

/**
 * The URL of the console's page for an execution.
 * @param execution the execution's ARN
 * @returns undefined if the text is no such ARN, as a URL made of any other text could lead to a foreign site; also if the console
 *   of the ARN's partition is not known
 */
export function consoleUrlOf(execution: string): string | undefined {
  const [, partition = '', region = ''] = EXECUTION_ARN_PATTERN.exec(execution) ?? []
  const host = Object.hasOwn(CONSOLE_HOSTS, partition) ? CONSOLE_HOSTS[partition] : undefined
  return host && `https://${region}.${host}/states/home?region=${region}#/v2/executions/details/${execution}`
}
