import { RateLimiter } from '../../fleet/audit/rateLimiter.ts'
import { watchClock } from '../../fleet/awsClock.ts'
import {
  CHECK_KINDS,
  type Check,
  type CheckKind,
  type DoctorClients,
  type ExaminedStack,
} from '../../fleet/doctor/check.ts'
import type { StackResource } from '../../fleet/stackResources.ts'
import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { peerCheck, versionCheck } from '../doctor/versions.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { sanitize } from '../output.ts'
import { findPeers } from '../peers.ts'
import { chooseStack, placeOf, type Stack } from '../stack.ts'
import { ownVersion } from '../version.ts'

/** The options of `doctor`, as the command line gave them. */
export type DoctorOptions = { fix?: true }

/**
 * Runs `doctor`: checks the deployed stack. For each kind of resource it prints one line about all that are as they should be,
 * and one line for each that is not, with what to do. With `fix` it enables the stack's rules and schedules that are disabled,
 * and changes nothing else.
 */
export async function runDoctorCommand(context: Context, { fix }: DoctorOptions): Promise<ExitCode> {
  const { output, json, clients } = context
  const cloudFormation = await clients.cloudFormation()
  const clock = watchClock(cloudFormation)
  const stack = await chooseStack(context)
  const { listStackResources } = await import('../../fleet/stackResources.ts')
  const { examineStack } = await import('../../fleet/doctor/examine.ts')
  const resources = await listStackResources(cloudFormation, stack.name)
  const place = { ...placeOf(stack), stage: stack.stage, outputs: stack.outputs, moment: clock() }
  const doctorClients = await loadDoctorClients(context, place.region)
  const [peers, examined] = await Promise.all([
    findPeers(context, stack),
    examineStack(doctorClients, resources, place),
  ])
  const repaired = fix
    ? await enableDisabled(context, doctorClients, { checks: examined, resources, place })
    : examined
  const checks = [
    versionCheck(ownVersion(), stack),
    ...peers.map(peer => peerCheck(peer, stack)),
    ...repaired,
  ]
  if (json) output.json({ stack: stack.name, stage: stack.stage, region: place.region, checks })
  else printChecks(context, stack, checks)
  return checks.some(({ state }) => state === 'failed' || state === 'unread') ? EXIT.findings : EXIT.done
}

/** The clients for the checks. Lambda allows fewer calls a second than a stack has functions, so these are spread over time. */
async function loadDoctorClients({ clients }: Context, region: string): Promise<DoctorClients> {
  const [events, scheduler, lambda, sns, sqs, cloudWatch, ssm] = await Promise.all([
    clients.events(),
    clients.scheduler(),
    clients.lambda(),
    clients.sns(),
    clients.sqs(),
    clients.cloudWatch(),
    clients.parameters(),
  ])
  const paced = new RateLimiter().limit(lambda, 'lambda', region)
  return { events, scheduler, lambda: paced, sns, sqs, cloudWatch, ssm }
}

type Examined = { checks: Check[]; resources: StackResource[]; place: ExaminedStack }

/**
 * Enables the disabled rules and schedules, then examines all rules and schedules again. If AWS refuses one, the others are
 * enabled all the same.
 */
async function enableDisabled(
  { output }: Context,
  clients: DoctorClients,
  { checks, resources, place }: Examined,
): Promise<Check[]> {
  const { examineStack, applyFix } = await import('../../fleet/doctor/examine.ts')
  const disabled = checks.filter(check => check.fix)
  if (!disabled.length) return checks
  for (const { fix, kind, about } of disabled) {
    if (!fix) continue
    try {
      await applyFix(clients, fix)
      output.note(`Enabled: ${kind} ${about}`)
    } catch (error) {
      output.note(`Not enabled: ${kind} ${about}: ${whyFailed(error)}`)
    }
  }
  // The resources of the kinds `rule` and `schedule`, whose old checks are replaced below.
  const repairable = ['AWS::Events::Rule', 'AWS::Scheduler::Schedule']
  const examinedAgain = await examineStack(
    clients,
    resources.filter(({ type }) => repairable.includes(type)),
    place,
  )
  return [...examinedAgain, ...checks.filter(({ kind }) => kind !== 'rule' && kind !== 'schedule')]
}

const STATE_STYLES = { ok: 'green', warning: 'yellow', failed: 'red', unread: 'red' } as const
const STATE_LABELS = { ok: 'ok', warning: 'warning', failed: 'failed', unread: 'not read' }
/** Columns of the longest label with the blanks after it. */
const LABEL_WIDTH = 10

function printChecks({ output }: Context, { stage }: Stack, checks: Check[]): void {
  const line = (state: Check['state'], text: string) =>
    output.line(
      `${output.styled(STATE_STYLES[state], STATE_LABELS[state])}${' '.repeat(LABEL_WIDTH - STATE_LABELS[state].length)}${text}`,
      LABEL_WIDTH,
    )
  for (const [kind, [singular, plural, wellText]] of Object.entries(CHECK_KINDS) as [
    CheckKind,
    readonly [string, string, string],
  ][]) {
    const found = checks.filter(check => check.kind === kind)
    const good = found.filter(({ state }) => state === 'ok')
    if (good.length) line('ok', `${good.length} ${good.length === 1 ? singular : plural}: ${wellText}`)
    for (const { state, about, says, remedy } of found.filter(check => check.state !== 'ok')) {
      line(state, `${singular} ${sanitize(about)} ${sanitize(says)}`)
      if (remedy) output.line(`${' '.repeat(LABEL_WIDTH)}${sanitize(remedy)}`, LABEL_WIDTH)
    }
  }
  if (checks.some(({ fix }) => fix))
    output.note(
      `keyturn doctor --fix --stage ${stage} enables the rules and schedules that are disabled, and changes nothing else.`,
    )
}
