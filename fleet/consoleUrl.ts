/** The console's host in each partition. */
const CONSOLE_HOSTS: Record<string, string> = {
  aws: 'console.aws.amazon.com',
  'aws-cn': 'console.amazonaws.cn',
  'aws-us-gov': 'console.amazonaws-us-gov.com',
}

/** Where the console shows an execution. Undefined for what has not the form of an execution's ARN: it could lead anywhere. */
export function consoleUrlOf(execution: string): string | undefined {
  const form =
    /^arn:([\w-]+):states:([a-z]{2}(?:-[a-z]+){1,3}-\d):\d{12}:execution:[\w-]+(?:\/[\w-]+)?:[\w-]+$/
  const [, partition = '', region = ''] = form.exec(execution) ?? []
  const host = Object.hasOwn(CONSOLE_HOSTS, partition) ? CONSOLE_HOSTS[partition] : undefined
  return host && `https://${region}.${host}/states/home?region=${region}#/v2/executions/details/${execution}`
}
