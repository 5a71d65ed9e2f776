import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { AccessAnalyzerClient } from '@aws-sdk/client-accessanalyzer'
import { CloudFormationClient } from '@aws-sdk/client-cloudformation'
import { CloudTrailClient } from '@aws-sdk/client-cloudtrail'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { LambdaClient } from '@aws-sdk/client-lambda'
import { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { SNSClient } from '@aws-sdk/client-sns'
import { SSMClient } from '@aws-sdk/client-ssm'
import { type AuditClients, collectFacts } from '../../fleet/audit/collect.ts'
import { RateLimiter } from '../../fleet/audit/rateLimiter.ts'
import { declareFleet } from '../../local/aws/audited/fleet.ts'
import { startAuditedAccount } from '../../local/aws/audited.ts'
import { measuredHere } from '../machine.ts'

/** How many secrets each measured account has, and as many parameters. */
const SECRET_COUNTS = [500, 5000]
/** AWS's rate limits are multiplied by this factor, in the imitated account and in the audit. */
const RATE_LIMIT_FACTOR = 20

// The command sets the same flags: see cli/audit/gather.ts.
setFlagsFromString('--optimize-for-size')
setFlagsFromString('--semi-space-growth-factor=1')

/** Clients for a Region, made once for each Region as the command does. */
function clientsAt(
  endpoint: string,
  region = 'eu-west-1',
  regions = new Map<string, AuditClients>(),
): AuditClients {
  const known = regions.get(region)
  if (known) return known
  const settings = { endpoint, region, credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }
  const always =
    <C>(client: C) =>
    () =>
      Promise.resolve(client)
  const clients: AuditClients = {
    forRegion: other => clientsAt(endpoint, other, regions),
    cloudFormation: always(new CloudFormationClient(settings)),
    secrets: always(new SecretsManagerClient(settings)),
    parameters: always(new SSMClient(settings)),
    tagging: always(new ResourceGroupsTaggingAPIClient(settings)),
    dynamo: always(new DynamoDBClient(settings)),
    lambda: always(new LambdaClient(settings)),
    cloudTrail: always(new CloudTrailClient(settings)),
    accessAnalyzer: always(new AccessAnalyzerClient(settings)),
    sns: always(new SNSClient(settings)),
  }
  regions.set(region, clients)
  return clients
}

const rows: string[] = []
const timeRows: string[] = []
for (const size of SECRET_COUNTS) {
  const account = await startAuditedAccount(declareFleet(size, 12), { throttle: RATE_LIMIT_FACTOR })
  let planned = 0
  const began = performance.now()
  await collectFacts(clientsAt(account.url), {
    account: '123456789012',
    stage: 'dev',
    region: 'eu-west-1',
    rateLimiter: new RateLimiter({ factor: RATE_LIMIT_FACTOR }),
    onPlan: ({ seconds }) => {
      planned = seconds
    },
  })
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const throttled = account.calls.filter(({ error }) => error).length
  const { length: calls } = account.calls
  rows.push(`| ${size} + ${size} | ${calls} | ${Math.ceil(planned)} |`)
  timeRows.push(`| ${size} + ${size} | ${seconds} | ${throttled} |`)
  await account.stop()
}

await writeFile(
  join(import.meta.dirname, 'RESULTS.md'),
  `# What gathering the facts of an audit takes

Written by \`npm run bench:audit\`; do not edit. The account is imitated in the same process. It throttles at ${RATE_LIMIT_FACTOR} times
AWS's limits, so that the measurement takes seconds. Each credential has twelve rotations in the table of records. The last
column is what the command announces once it has read the lists: how many seconds the calls about single credentials take
under AWS's own limits. [TIMES.md](TIMES.md) says how long the measurement took.

| secrets + parameters | calls | seconds on AWS |
| --- | --: | --: |
${rows.join('\n')}
`,
)
await writeFile(
  join(import.meta.dirname, 'TIMES.md'),
  `# How long gathering the facts of an audit takes

Written by \`npm run bench:audit\`, beside [RESULTS.md](RESULTS.md); do not edit. Each time was measured once.

${measuredHere()}

| secrets + parameters | seconds here | throttled calls |
| --- | --: | --: |
${timeRows.join('\n')}

Memory at most, with the imitated account: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB
`,
)
