import { adminRules } from '../../../fleet/audit/rules/admins.ts'
import { functionRules } from '../../../fleet/audit/rules/functions.ts'
import { outcomeRules } from '../../../fleet/audit/rules/outcomes.ts'
import { replicaRules } from '../../../fleet/audit/rules/replicas.ts'
import { scheduleRules } from '../../../fleet/audit/rules/schedules.ts'
import {
  ACCOUNT,
  ago,
  atHome,
  byOthers,
  byService,
  enrolled,
  factsOf,
  HERE,
  hands,
  parameter,
  readBy,
  replicaOf,
  rotateSecretIn,
  rotation,
  secret,
  THERE,
  userOfAdmin,
  withReplica,
  withRotations,
} from './facts.ts'
import { type Cases, lookAt } from './ruleCases.ts'

const cases: Cases = {}

const byHand = (name: string, given: Parameters<typeof secret>[1] = {}) =>
  secret(name, byOthers({ current: { at: ago(10), by: 'version' }, ...given }))
const own = rotateSecretIn(HERE)
const other = `arn:aws:lambda:${HERE}:${ACCOUNT}:function:other`
const replicated = (...given: Parameters<typeof withReplica>) => secret('a', withReplica(...given))
const withFunction = (arn: string, found: object | undefined, given: object = {}) => ({
  facts: factsOf([secret('a', byOthers({ rotation: byService({ functionArn: arn }) }))], {
    here: { functions: { [arn]: { is: found } }, ...given },
  }),
})

cases['never-rotates'] = {
  hits: {
    'a secret without a schedule': { facts: [byHand('a')] },
    'a secret whose rotation is switched off': {
      facts: [byHand('a', { rotation: { enabled: false, functionArn: own } })],
    },
    'what may be an admin, which is not known': {
      facts: [byHand('a'), secret('b', { history: { unread: 'AccessDenied' } })],
      found: [
        ...['never-rotates a', 'admin-not-rotated a: unread'],
        ...['failing', 'left-open', 'locked-out', 'overdue', 'rotation-stopped', 'too-old'].map(
          rule => `${rule} b: unread`,
        ),
      ],
    },
    'a SecureString without a schedule': { facts: [parameter('/a', { tags: { is: hands } })] },
  },
  near: {
    'a secret that Secrets Manager rotates': {
      facts: [secret('a', byOthers({ rotation: byService() }))],
    },
    'a secret that a service manages, which names no function': {
      facts: [byHand('rds!cluster-a', { owningService: 'rds' })],
    },
    'a replica, which its primary rotates': {
      facts: [replicated(), replicaOf(replicated(), { rotation: { enabled: false } })],
    },
    'a plain parameter': { facts: [parameter('/a', { type: 'String', tags: { is: {} } })] },
    'a parameter whose policy has it rotate': {
      facts: [
        parameter('/a', {
          tags: { is: { 'keyturn:managed': 'true', team: 'shop' } },
          policies: ['NoChangeNotification'],
        }),
      ],
    },
    'where the policy does not mind': { facts: [byHand('a')], policy: { mustRotate: false } },
  },
}

cases['too-old'] = {
  hits: {
    'by the table of rotations': {
      facts: [
        secret('a', {
          tags: { is: { ...enrolled, 'keyturn:every': '365d' } },
          history: { is: { rotations: [rotation(91)] } },
          current: { at: ago(91), by: 'last-rotated' },
        }),
      ],
      found: ['too-old a', 'interval-too-long a'],
    },
    "by its version's own date": {
      facts: [secret('a', byOthers({ rotation: byService(), current: { at: ago(90.01), by: 'version' } }))],
    },
    'a parameter by its newest version': {
      facts: [
        parameter('/a', {
          tags: { is: hands },
          current: { at: ago(91), by: 'last-changed' },
          history: { is: { rotations: [] } },
        }),
      ],
      policy: { mustRotate: false },
    },
  },
  near: {
    'on the last day': {
      facts: [secret('a', byOthers({ rotation: byService(), current: { at: ago(90), by: 'version' } }))],
    },
    'a rotation by somebody else after the last one that the table has': {
      facts: [
        secret('a', {
          rotation: byService(),
          history: { is: { rotations: [rotation(200)] } },
          current: { at: ago(10), by: 'last-rotated' },
        }),
      ],
    },
    'a policy without an age': {
      facts: [byHand('a', { current: { at: ago(900), by: 'version' } })],
      policy: { mustRotate: false, maxAge: 'never' },
    },
    'a replica, whose own date is old': {
      facts: [replicated(), replicaOf(replicated(), { current: { at: ago(300), by: 'last-changed' } })],
    },
  },
}

cases['interval-too-long'] = {
  hits: {
    'by its tag': {
      facts: [secret('a', { tags: { is: { ...enrolled, 'keyturn:every': '91d' } } })],
    },
    "by Secrets Manager's rate": {
      facts: [secret('a', byOthers({ rotation: byService({ schedule: 'rate(100 days)' }) }))],
    },
    'by its days': {
      facts: [secret('a', byOthers({ rotation: byService({ schedule: undefined, everyDays: 120 }) }))],
    },
  },
  near: {
    'the longest that is allowed': {
      facts: [secret('a', { tags: { is: { ...enrolled, 'keyturn:every': '90d' } } })],
    },
    'a rate in hours': {
      facts: [secret('a', byOthers({ rotation: byService({ schedule: 'rate(120 hours)' }) }))],
    },
    'a cron expression, which names no interval': {
      facts: [
        secret(
          'a',
          byOthers({ rotation: byService({ schedule: 'cron(0 3 1 * ? *)', everyDays: undefined }) }),
        ),
      ],
    },
  },
}

cases.overdue = {
  hits: {
    'by its tag, for more than a day': {
      facts: [
        secret('a', {
          history: { is: { rotations: [rotation(31.1)] } },
          current: { at: ago(31.1), by: 'version' },
        }),
      ],
    },
    "by Secrets Manager's next date": {
      facts: [secret('a', byOthers({ rotation: byService({ next: ago(1.1) }) }))],
    },
  },
  near: {
    'for less than a day': {
      facts: [
        secret('a', { history: { is: { rotations: [rotation(30.9)] } }, readers: [readBy('shop', 1)] }),
      ],
    },
    "Secrets Manager's next date is today": {
      facts: [secret('a', byOthers({ rotation: byService({ next: ago(0.9) }) }))],
    },
    'it is at home elsewhere, and rotates there': {
      facts: [
        secret('a', {
          tags: { is: atHome(THERE) },
          history: { is: { rotations: [rotation(60)] } },
        }),
        secret('a', { region: THERE, tags: { is: atHome(THERE) } }),
      ],
    },
  },
}

cases['tags-refused'] = {
  hits: {
    'a tag that is none': {
      facts: [secret('a', { tags: { is: { ...enrolled, 'keyturn:every': 'monthly' } } })],
    },
    'without leave': {
      facts: [secret('a', { tags: { is: { team: 'shop', 'keyturn:every': '30d' } } })],
    },
    'of a parameter': {
      facts: [parameter('/a', { tags: { is: { ...enrolled, 'keyturn:grace': '5 days' } } })],
    },
  },
  near: {
    'tags of others': { facts: [secret('a', { tags: { is: { ...enrolled, every: 'monthly' } } })] },
    'leave without a schedule, beside one of Secrets Manager': {
      facts: [
        secret('a', { tags: { is: { team: 'shop', 'keyturn:managed': 'true' } }, rotation: byService() }),
      ],
    },
  },
}

const homeless = (home: string) => replicated({}, { 'keyturn:home': home })
cases['not-at-home'] = {
  hits: {
    'its replica is at its home': { facts: [homeless(THERE), replicaOf(homeless(THERE))] },
    'the tag names no Region': {
      facts: [secret('a', { tags: { is: { ...enrolled, 'keyturn:home': 'constructor' } } })],
      found: ['not-at-home a: unread', 'tags-refused a'],
    },
    'there is nothing at its home': {
      facts: [secret('a', { tags: { is: atHome(THERE) } })],
    },
  },
  near: {
    'a secret of its own is at its home': {
      facts: [
        secret('a', { tags: { is: atHome(THERE) } }),
        secret('a', { region: THERE, tags: { is: atHome(THERE) } }),
      ],
    },
    'it is at home': { facts: [homeless(HERE), replicaOf(homeless(HERE))] },
  },
}

const failed = (days: number, given: object = {}) =>
  rotation(days, { outcome: 'failed', error: 'Unreachable', step: 'SetSecret', ...given })
cases['locked-out'] = {
  hits: {
    'the last one': {
      facts: [secret('a', withRotations(rotation(5, { outcome: 'locked-out' }), rotation(10)))],
    },
    'behind one that only gave way': {
      facts: [
        secret(
          'a',
          withRotations(failed(4, { error: 'RotationInProgress' }), rotation(5, { outcome: 'locked-out' })),
        ),
      ],
    },
  },
  near: {
    'one before the last': {
      facts: [secret('a', withRotations(rotation(5), rotation(6, { outcome: 'locked-out' })))],
    },
  },
}
cases['rotation-stopped'] = {
  hits: {
    midway: {
      facts: [
        secret('a', withRotations(rotation(5, { outcome: 'stopped', step: 'SetSecret' }), rotation(10))),
      ],
    },
    'nobody knows where': {
      facts: [secret('a', withRotations(rotation(5, { outcome: 'stopped' }), rotation(10)))],
    },
  },
  near: {
    'before it changed anything': {
      facts: [
        secret('a', withRotations(rotation(5, { outcome: 'stopped', step: 'CreateSecret' }), rotation(10))),
      ],
    },
    'a value was stored since': {
      facts: [
        secret('a', {
          ...withRotations(rotation(5, { outcome: 'stopped', step: 'SetSecret' }), rotation(10)),
          current: { at: ago(3), by: 'version' },
        }),
      ],
    },
  },
}
cases.failing = {
  hits: {
    'after one that went well': { facts: [secret('a', withRotations(failed(1), failed(2), rotation(10)))] },
    'of a parameter': { facts: [parameter('/a', withRotations(failed(1), rotation(10)))] },
  },
  near: {
    'it went well since': { facts: [secret('a', withRotations(rotation(1), failed(2), rotation(10)))] },
    'it gave way to another one': {
      facts: [secret('a', withRotations(failed(1, { error: 'RotationInProgress' }), rotation(10)))],
    },
    'one runs': {
      facts: [secret('a', withRotations(rotation(0.1, { outcome: 'running' }), rotation(10)))],
    },
    'a value was stored since': {
      facts: [
        secret('a', {
          ...withRotations(failed(2), rotation(10)),
          current: { at: ago(1), by: 'last-rotated' },
        }),
      ],
    },
  },
}
cases['stuck-pending'] = {
  hits: {
    'a secret, for more than a day': { facts: [secret('a', { pendingSince: { is: ago(1.01) } })] },
    'a parameter': { facts: [parameter('/a', { pendingSince: { is: ago(2) } })] },
  },
  near: {
    'for less than a day': { facts: [secret('a', { pendingSince: { is: ago(0.99) } })] },
    'where the policy allows more': {
      facts: [secret('a', { pendingSince: { is: ago(1.5) } })],
      policy: { pendingAfter: 2 * 86_400 },
    },
  },
}
const open = (given: object) => withRotations(rotation(10, { retirement: 'open', user: 'shop', ...given }))
cases['left-open'] = {
  hits: {
    'its time is over': { facts: [secret('a', open({ openUntil: ago(0.05) }))] },
    'it could not be closed': {
      facts: [secret('a', withRotations(rotation(10, { retirement: 'not-closed' })))],
    },
    'a failure came after it': {
      facts: [secret('a', withRotations(failed(1), rotation(10, { retirement: 'not-closed' })))],
      found: ['failing a', 'left-open a'],
    },
  },
  near: {
    'its time has just ended': { facts: [secret('a', open({ openUntil: ago(0.04) }))] },
    'its time still runs': { facts: [secret('a', open({ openUntil: ago(-1) }))] },
    'it stays open by choice': { facts: [secret('a', withRotations(rotation(10, { retirement: 'never' })))] },
    'a later rotation closed it': {
      facts: [secret('a', withRotations(rotation(5), rotation(10, { retirement: 'not-closed' })))],
    },
  },
}

const admin = (given: Parameters<typeof secret>[1] = {}) => byHand('admin', given)
cases['admin-not-rotated'] = {
  hits: {
    'one that a rotation names, and as one finding': { facts: [admin(), userOfAdmin('a')] },
    'one that is named by a part of its ARN, in another Region': {
      facts: [admin(), userOfAdmin('a', { admin: admin().arn.replace(HERE, THERE).slice(0, -7) })],
    },
    'one that only its tag tells': {
      facts: [admin({ tags: { is: { ...hands, 'keyturn:admin': 'true' } } })],
    },
  },
  near: {
    'one that rotates': { facts: [secret('admin'), userOfAdmin('a')] },
    'one that RDS manages': { facts: [admin({ owningService: 'rds' }), userOfAdmin('a')] },
  },
}
cases['admin-shared'] = {
  hits: {
    'by more than may': {
      facts: [secret('admin'), userOfAdmin('a'), userOfAdmin('b')],
      policy: { adminUses: 1 },
    },
  },
  near: {
    'by as many as may': {
      facts: [secret('admin'), userOfAdmin('a'), userOfAdmin('b')],
      policy: { adminUses: 2 },
    },
  },
}

cases['function-missing'] = {
  hits: {
    'it is not there': withFunction(own, undefined),
    'it has failed': withFunction(own, { runtime: 'nodejs24.x', state: 'Failed' }),
  },
  near: {
    'it was idle': withFunction(own, { runtime: 'nodejs24.x', state: 'Inactive' }),
    'its rotation is switched off': {
      facts: factsOf([byHand('a', { rotation: { enabled: false, functionArn: other } })], {
        here: { functions: { [other]: { is: undefined } } },
      }),
      policy: { mustRotate: false },
    },
  },
}
cases['function-elsewhere'] = {
  hits: { 'of another account': withFunction(other.replace(ACCOUNT, '999999999999'), undefined) },
  near: {
    'of an account that the policy trusts': {
      ...withFunction(other.replace(ACCOUNT, '999999999999'), undefined),
      policy: { trustedAccounts: ['999999999999'] },
    },
  },
}
cases['function-foreign'] = {
  hits: {
    'of this account': withFunction(other, { runtime: 'python3.14' }),
    'where there is no stack': { ...withFunction(other, {}, { stack: { is: undefined } }) },
  },
  near: { 'an alias of its own': withFunction(`${own}:live`, { runtime: 'nodejs24.x' }) },
}
cases['function-runtime'] = {
  hits: { 'one that is closed': withFunction(own, { runtime: 'nodejs18.x' }) },
  near: {
    'one that will be': withFunction(own, { runtime: 'nodejs22.x' }),
    'a container image, which has none': withFunction(own, {}),
  },
}

const givenUp = { [`keyturn:given-up:${THERE}`]: '2026-11-20 the Region is down' }
cases['replica-failed'] = {
  hits: {
    failed: { facts: [replicated({ status: 'Failed', message: 'no key' })] },
  },
  near: {
    'on its way': {
      facts: [replicated({ status: 'InProgress' }), replicaOf(replicated())],
    },
  },
}
cases['replica-behind'] = {
  hits: {
    'another version, though it is in sync': {
      facts: [replicated(), replicaOf(replicated(), { labels: { v0: ['AWSCURRENT'] } })],
    },
  },
  near: {
    'a version that is minutes old': {
      facts: [
        { ...replicated(), current: { at: ago(0.01), by: 'last-rotated' } },
        replicaOf(replicated(), { labels: { v0: ['AWSCURRENT'] } }),
      ],
    },
    'a label that readers do not ask for': {
      facts: [replicated(), replicaOf(replicated(), { labels: { v1: ['AWSCURRENT'], v0: ['AWSPREVIOUS'] } })],
    },
  },
}
cases['replica-unseen'] = {
  hits: {
    'nothing is there': { facts: [replicated()] },
    'it stands alone': { facts: [replicated(), secret('a', { region: THERE })] },
  },
  near: { 'it is there': { facts: [replicated(), replicaOf(replicated())] } },
}
cases['replica-given-up'] = {
  hits: { 'with a day': { facts: [replicated({ status: 'Failed' }, givenUp)] } },
  near: {
    'of a Region that has no replica any more': {
      facts: [secret('a', { tags: { is: { ...enrolled, 'keyturn:home': HERE, ...givenUp } } })],
    },
  },
}
cases['replica-without-home'] = {
  hits: {
    'of what Keyturn rotates': {
      facts: (() => {
        const primary = { ...replicated(), tags: { is: enrolled } }
        return [primary, replicaOf(primary)]
      })(),
    },
  },
  near: {
    'of what others rotate': {
      facts: (() => {
        const primary = { ...replicated(), tags: { is: hands }, rotation: byService() }
        return [primary, replicaOf(primary)]
      })(),
    },
  },
}

lookAt([...scheduleRules, ...outcomeRules, ...adminRules, ...functionRules, ...replicaRules], cases)
