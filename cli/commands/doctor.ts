import { Pace } from '../../fleet/audit/pace.ts'
import { watchClock } from '../../fleet/awsClock.ts'
import { type Check, type DoctorClients, type Kind, kinds, type Place } from '../../fleet/doctor/check.ts'
import type { StackResource } from '../../fleet/stackResources.ts'
import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { peerCheck, versionCheck } from '../doctor/versions.ts'
import { type ExitCode, exit } from '../exit.ts'
import { plain } from '../output.ts'
import { peersIn } from '../peers.ts'
import { placeOf, type Stack, stackOf } from '../stack.ts'
import { ownVersion } from '../version.ts'

export type DoctorOptions = { fix?: true }

/**
 * How the deployment is: a line for all of a kind that are well, and one for each thing that is not, with what to do. With `fix`
 * the stack's own rules and schedules that are disabled are enabled; nothing else is changed.
 */
export async function doctor(context: Context, { fix }: DoctorOptions): Promise<ExitCode> {
  const { output, json, clients } = context
  const cloudFormation = await clients.cloudFormation()
  const clock = watchClock(cloudFormation)
  const stack = await stackOf(context)
  const { resourcesOf } = await import('../../fleet/stackResources.ts')
  const { examine } = await import('../../fleet/doctor/examine.ts')
  const resources = await resourcesOf(cloudFormation, stack.name)
  const place = { ...placeOf(stack), stage: stack.stage, outputs: stack.outputs, moment: clock() }
  const asked = await doctorClients(context, place.region)
  const [peers, examined] = await Promise.all([peersIn(context, stack), examine(asked, resources, place)])
  const mended = fix ? await mendAll(context, asked, { checks: examined, resources, place }) : examined
  const checks = [versionCheck(ownVersion(), stack), ...peers.map(peer => peerCheck(peer, stack)), ...mended]
  if (json) output.json({ stack: stack.name, stage: stack.stage, region: place.region, checks })
  else show(context, stack, checks)
  return checks.some(({ state }) => state === 'failed' || state === 'unread') ? exit.findings : exit.done
}

/** Lambda takes fewer calls a second than a stack has functions. */
async function doctorClients({ clients }: Context, region: string): Promise<DoctorClients> {
  const [events, scheduler, lambda, sns, sqs, cloudWatch, ssm] = await Promise.all([
    clients.events(),
    clients.scheduler(),
    clients.lambda(),
    clients.sns(),
    clients.sqs(),
    clients.cloudWatch(),
    clients.parameters(),
  ])
  const paced = new Pace().over(lambda, 'lambda', region)
  return { events, scheduler, lambda: paced, sns, sqs, cloudWatch, ssm }
}

type Examined = { checks: Check[]; resources: StackResource[]; place: Place }

/** Enables what is disabled, and looks at the rules and schedules again. One that AWS refuses to enable stops no other. */
async function mendAll(
  { output }: Context,
  clients: DoctorClients,
  { checks, resources, place }: Examined,
): Promise<Check[]> {
  const { examine, mend } = await import('../../fleet/doctor/examine.ts')
  const disabled = checks.filter(check => check.fix)
  if (!disabled.length) return checks
  for (const { fix, kind, about } of disabled) {
    if (!fix) continue
    try {
      await mend(clients, fix)
      output.note(`Enabled: ${kind} ${about}`)
    } catch (error) {
      output.note(`Not enabled: ${kind} ${about}: ${whyFailed(error)}`)
    }
  }
  const mendable = ['AWS::Events::Rule', 'AWS::Scheduler::Schedule']
  const again = await examine(
    clients,
    resources.filter(({ type }) => mendable.includes(type)),
    place,
  )
  return [...again, ...checks.filter(({ kind }) => kind !== 'rule' && kind !== 'schedule')]
}

const styles = { ok: 'green', warning: 'yellow', failed: 'red', unread: 'red' } as const
const labels = { ok: 'ok', warning: 'warning', failed: 'failed', unread: 'not read' }
/** Columns of a label, and the blanks after it. */
const INDENT = 10

function show({ output }: Context, { stage }: Stack, checks: Check[]): void {
  const line = (state: Check['state'], text: string) =>
    output.line(
      `${output.styled(styles[state], labels[state])}${' '.repeat(INDENT - labels[state].length)}${text}`,
      INDENT,
    )
  for (const [kind, [one, many, well]] of Object.entries(kinds) as [
    Kind,
    readonly [string, string, string],
  ][]) {
    const found = checks.filter(check => check.kind === kind)
    const good = found.filter(({ state }) => state === 'ok')
    if (good.length) line('ok', `${good.length} ${good.length === 1 ? one : many}: ${well}`)
    for (const { state, about, says, remedy } of found.filter(check => check.state !== 'ok')) {
      line(state, `${one} ${plain(about)} ${plain(says)}`)
      if (remedy) output.line(`${' '.repeat(INDENT)}${plain(remedy)}`, INDENT)
    }
  }
  if (checks.some(({ fix }) => fix))
    output.note(
      `keyturn doctor --fix --stage ${stage} enables what is disabled of these, and changes nothing else.`,
    )
}
