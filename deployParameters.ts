import { REGION_NAME, REGION_PATTERN } from './rotation/regionName.ts'

/** The parameters in serverless.yml, with their values: under `default`, and under the name of each stage. */
export type ParametersByStage = Record<string, Record<string, unknown> | undefined>

/** What these parameters should be, and a pattern. bundle.ts and functions/shared/environment.ts check the other parameters. */
const PARAMETER_RULES: Record<string, { should: string; pattern: RegExp }> = {
  region: { should: 'a Region, such as eu-west-1', pattern: REGION_PATTERN },
  subnetIds: { should: listOf('subnets', 'subnet-0123,subnet-4567'), pattern: /^subnet-\w+(,subnet-\w+)*$/ },
  securityGroupIds: { should: listOf('security groups', 'sg-0123,sg-4567'), pattern: /^sg-\w+(,sg-\w+)*$/ },
  kmsKeyArn: {
    should: 'the ARN of a key, not of an alias, such as arn:aws:kms:eu-west-1:123456789012:key/0123-4567',
    pattern: /^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/,
  },
  peerRegions: {
    should: listOf('Regions', 'eu-central-1,us-east-1'),
    pattern: new RegExp(`^${REGION_NAME}(,${REGION_NAME})*$`),
  },
  tagSchedules: { should: 'true or false', pattern: /^(true|false)$/ },
  regionSwitch: { should: 'planned, lost, or left out', pattern: /^(planned|lost)$/ },
  rehearsalSchedule: {
    should: 'a rate or a cron of EventBridge Scheduler, such as rate(7 days)',
    pattern: /^(rate|cron)\([^()]+\)$/,
  },
  adminSecretArns: {
    should: listOf('ARNs of secrets', 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-AbCdEf'),
    pattern: /^arn:[\w-]+:secretsmanager:[^\s,]+(,arn:[\w-]+:secretsmanager:[^\s,]+)*$/,
  },
  eventBusName: { should: 'the name of an event bus, not its ARN', pattern: /^[\w./-]{1,256}$/ },
  alarmEmail: { should: 'one mail address', pattern: /^[^\s@,]+@[^\s@,]+\.[^\s@,]+$/ },
  runbookUrl: { should: 'an address without blanks', pattern: /^\S+$/ },
  logRetentionInDays: {
    should: 'a number of days that CloudWatch knows, such as 30, 90 or 365',
    pattern: /^(1|3|5|7|14|30|60|90|120|150|180|365|400|545|731|1096|1827|2192|2557|2922|3288|3653)$/,
  },
}

/** What a parameter that is a list should be. */
function listOf(things: string, example: string): string {
  return `${things} with commas and no blanks between, such as ${example}`
}

/**
 * Checks the parameters of a deployment.
 * @param given the parameters of the command line, each as `name=value`
 * @throws Error that names the parameter and says what it should be
 */
export function checkParameters(params: ParametersByStage, stage: string, given: string[] = []): void {
  const ofCommand = Object.fromEntries(given.map(text => text.split(/=(.*)/s).slice(0, 2)))
  const known = Object.keys(params.default ?? {})
  for (const name of [...Object.keys(params[stage] ?? {}), ...Object.keys(ofCommand)])
    if (!known.includes(name))
      throw new Error(`${name}: is no parameter; did you mean ${nearestName(name, known)}?`)
  const all: Record<string, unknown> = { ...params.default, ...params[stage], ...ofCommand }
  for (const [name, { should, pattern }] of Object.entries(PARAMETER_RULES)) {
    const text = String(all[name] ?? '').trimEnd()
    if (text && !pattern.test(text))
      throw new Error(`${name}: should be ${should}, not ${JSON.stringify(text)}`)
  }
  if (!all.subnetIds !== !all.securityGroupIds)
    throw new Error(
      `${all.subnetIds ? 'securityGroupIds' : 'subnetIds'}: should be set too: a function in a VPC has subnets and security groups`,
    )
}

/** The known name that contains this name, or else the one with the smallest edit distance. */
function nearestName(name: string, known: string[]): string {
  const distanceTo = (other: string) =>
    other.toLowerCase().includes(name.toLowerCase()) ? 0 : editDistance(name, other)
  const [nearest = ''] = known.toSorted((a, b) => distanceTo(a) - distanceTo(b))
  return nearest
}

/** The Levenshtein distance of two words, without regard to case. */
function editDistance(from: string, to: string): number {
  const [word, other] = [from.toLowerCase(), to.toLowerCase()]
  let row = Array.from({ length: other.length + 1 }, (_, n) => n)
  for (const [i, letter] of [...word].entries()) {
    const next = [i + 1]
    for (const [j, another] of [...other].entries())
      next.push(
        Math.min((row[j] ?? 0) + Number(letter !== another), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1),
      )
    row = next
  }
  return row.at(-1) ?? 0
}
