import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetScheduleCommand, SchedulerClient, UpdateScheduleCommand } from '@aws-sdk/client-scheduler'
import { paginateListExecutions, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import { AddTagsToResourceCommand, SSMClient } from '@aws-sdk/client-ssm'
import { Users } from '../../local/client/users.ts'
import type { PostgresServer } from '../../local/servers/postgres.ts'
import { type Deployed, startDeployed } from '../../local/stack/deployed.ts'
import { measuredHere } from '../machine.ts'

/** How many parameters rotate, of all servers together. A number behind the command replaces the default. */
const PARAMETER_COUNT = Number(process.argv[2] ?? 300)
/** How each of the six servers behaves. */
const SERVER_KINDS = ['down', 'slow', 'healthy', 'healthy', 'healthy', 'healthy'] as const
const PARAMETERS_PER_SERVER_COUNT = Math.ceil(PARAMETER_COUNT / SERVER_KINDS.length)
/** The slow server answers so many milliseconds late. */
const SLOW_ANSWER_DELAY_MS = 250

/** A proxy in front of the one PostgreSQL, and the ids of the parameters that name its port. */
type ServerProxy = { port: number; server: Server; kind: (typeof SERVER_KINDS)[number]; ids: string[] }
/** What rotate-server reports of one server. */
type Report = { host: string; rotated: number; failed: number; skipped: number; parked: number }

// MiniStack, the local AWS, shortens the pauses of state machines to a twentieth, so that a server that is down is given up after seconds.
process.env.SFN_WAIT_SCALE = '0.05'
const STACK_PARAMETERS = {
  dueSchedule: 'rate(1 hour)',
  maxConcurrentRotations: `${2 * SERVER_KINDS.length}`,
  maxConcurrentRotationsPerHost: '2',
}
const stack = await startDeployed({ params: STACK_PARAMETERS })
if (!stack) throw new Error('this needs Python')
const proxies: ServerProxy[] = []
try {
  const stepFunctions = new SFNClient(stack.client)
  await disableSchedule(stack)
  for (const kind of SERVER_KINDS) proxies.push(await openProxy(kind, stack.postgres))
  for (const [n, proxy] of proxies.entries()) {
    await using users = await Users.connect(
      { ...stack.postgres, port: proxy.port },
      stack.parameters,
      `fleet-${n}/`,
    )
    for (let i = 0; i < PARAMETERS_PER_SERVER_COUNT; i++) proxy.ids.push(await users.enrol(`fleet_${n}_${i}`))
  }
  const before = await readValues(stack)
  for (const { kind, server } of proxies) if (kind === 'down') server.close()
  // A value is due by an interval of a minute when it is a minute old.
  await sleep(61_000)
  for (const id of proxies.flatMap(({ ids }) => ids)) await tag(stack, id, '1m')

  const began = Date.now()
  const rotateDue = await stack.readOutput('RotateDueStateMachineArn')
  const start = async () =>
    (await stepFunctions.send(new StartExecutionCommand({ stateMachineArn: rotateDue }))).executionArn
  const first = await start()
  // Sets an interval of a day for each parameter that has rotated, so that it is not due again.
  const setLongInterval = async (before: Map<string, string>) => {
    for (const [id, value] of await readValues(stack))
      if (before.get(id) !== value) await tag(stack, id, '1d')
  }
  await waitForFirstServer(stepFunctions, rotateDue.replace(/-due$/, '-server'))
  await setLongInterval(before)
  const second = await start()
  const runs: { seconds: number; planned: number; reports: Report[] }[] = []
  for (const execution of [first, second]) {
    const { output = '{}', startDate, stopDate } = await stack.waitForEnd(execution)
    const { planned = 0, ended = { reports: [] } } = JSON.parse(output)
    runs.push({ seconds: (Number(stopDate) - Number(startDate)) / 1000, planned, reports: ended.reports })
  }
  const after = await readValues(stack)
  const rows = proxies.map(({ kind, port, ids }) => {
    const of = runs.map(({ reports }) => reports.find(({ host }) => host === `127.0.0.1:${port}`))
    const rotated = ids.filter(id => after.get(id) !== before.get(id)).length
    const cell = (report: Report | undefined) =>
      report ? `${report.rotated} / ${report.failed} / ${report.parked} / ${report.skipped}` : '–'
    return { kind, due: ids.length, rotated, runs: of.map(cell) }
  })
  const rotations = await countExecutions(stepFunctions, stack.stateMachineArn)
  const pages = {
    'RESULTS.md': report({ rows, runs, rotations }),
    'TIMES.md': timesReport({ runs, seconds: (Date.now() - began) / 1000 }),
  }
  for (const [name, text] of Object.entries(pages)) {
    console.log(text)
    await writeFile(join(import.meta.dirname, name), text)
  }
  process.exitCode = rows.every(({ kind, due, rotated }) => kind === 'down' || rotated === due) ? 0 : 1
} finally {
  for (const { server } of proxies) server.close()
  await stack.stop()
}

/** Opens a port that leads to the one PostgreSQL. For Keyturn each port is a database server of its own. */
async function openProxy(kind: ServerProxy['kind'], { host, port }: PostgresServer): Promise<ServerProxy> {
  const server = createServer(socket => {
    const inner = connect(port, host)
    socket.on('error', () => inner.destroy()).pipe(inner)
    inner.on('error', () => socket.destroy())
    inner.on('end', () => setTimeout(() => socket.end(), kind === 'slow' ? SLOW_ANSWER_DELAY_MS : 0))
    inner.on('data', data => {
      if (kind === 'slow') setTimeout(() => socket.write(data), SLOW_ANSWER_DELAY_MS)
      else socket.write(data)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as { port: number }).port, server, kind, ids: [] }
}

/** Disables the stack's schedule, as this starts the runs itself. */
async function disableSchedule({ client }: Deployed): Promise<void> {
  const scheduler = new SchedulerClient(client)
  const found = await scheduler.send(new GetScheduleCommand({ Name: 'keyturn-local-due' }))
  const { Name, ScheduleExpression, FlexibleTimeWindow, Target } = found
  await scheduler.send(
    new UpdateScheduleCommand({ Name, ScheduleExpression, FlexibleTimeWindow, Target, State: 'DISABLED' }),
  )
}

/** Sets the interval of a parameter. */
async function tag({ client }: Deployed, ResourceId: string, Value: string): Promise<void> {
  const Tags = [{ Key: 'keyturn:every', Value }]
  const command = new AddTagsToResourceCommand({ ResourceType: 'Parameter', ResourceId, Tags })
  await new SSMClient(client).send(command)
}

/** The current value of each parameter, by its id. */
async function readValues({ parameters }: Deployed): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const { ids } of proxies)
    for (const id of ids) found.set(id, (await parameters.read(id, 'current')) ?? '')
  return found
}

/** Waits until the first run is done with one server, which is mostly the one that is down. */
async function waitForFirstServer(client: SFNClient, stateMachineArn: string): Promise<void> {
  for (;;) {
    const pages = await Array.fromAsync(paginateListExecutions({ client }, { stateMachineArn }))
    // rotate-due names an execution by a hash of the server and a number: see fleet/serverLocks.ts.
    const servers = pages
      .flatMap(({ executions = [] }) => executions)
      .filter(({ name = '' }) => /^[\da-f]{16}-\d+$/.test(name))
    if (servers.some(({ status }) => status !== 'RUNNING')) return
    await sleep(1000)
  }
}

/** How many executions a state machine has had. */
async function countExecutions(client: SFNClient, stateMachineArn: string): Promise<number> {
  const pages = await Array.fromAsync(paginateListExecutions({ client }, { stateMachineArn }))
  return pages.reduce((sum, { executions = [] }) => sum + executions.length, 0)
}

type Found = {
  rows: { kind: string; due: number; rotated: number; runs: string[] }[]
  runs: { seconds: number; planned: number }[]
  rotations: number
  seconds: number
}

function report({ rows, runs, rotations }: Omit<Found, 'seconds'>): string {
  const table = rows.map(({ kind, due, rotated, runs }) =>
    [kind, due, rotated, ...runs].join(' | ').replace(/^.*$/, '| $& |'),
  )
  return `# ${rows.reduce((sum, { due }) => sum + due, 0)} due on six servers, one down, one slow

Written by \`npm run fleet\`; do not edit. The stack is deployed on a local AWS. Two runs of rotate-due overlap: the second
begins as soon as the first has ended with one server. The six servers are six ports that lead to one PostgreSQL: one port is
closed, and one answers ${SLOW_ANSWER_DELAY_MS} ms late each time. At most two rotations go on at once on each server, twelve in all. The
state machines' pauses are a twentieth as long as on AWS, so that a server that is down is given up within seconds.

| server | due | rotated after two runs | first run: rotated / failed / parked / skipped | second run |
| ------ | --: | ---------------------: | ---------------------------------------------- | ---------- |
${table.join('\n')}

- Executions of rotate: ${rotations}
- Planned: ${runs.map(({ planned }) => planned).join(' by the first run, ')} by the second

[TIMES.md](TIMES.md) says how long both runs took.
`
}

function timesReport({ runs, seconds }: Pick<Found, 'runs' | 'seconds'>): string {
  return `# How long two runs take

Written by \`npm run fleet\`, beside [RESULTS.md](RESULTS.md); do not edit. Each time was measured once.

${measuredHere()}

| first run | second run | both, which overlap |
| --------: | ---------: | ------------------: |
| ${[...runs.map(run => run.seconds), seconds].map(time => `${time.toFixed(0)} s`).join(' | ')} |
`
}
