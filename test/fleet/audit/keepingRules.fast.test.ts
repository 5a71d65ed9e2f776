import { accessRules } from '../../../fleet/audit/rules/access.ts'
import { deploymentRules } from '../../../fleet/audit/rules/deployment.ts'
import { readingRules } from '../../../fleet/audit/rules/reading.ts'
import { storageRules } from '../../../fleet/audit/rules/storage.ts'
import {
  ACCOUNT,
  ago,
  byService,
  dayAgo,
  enrolled,
  factsOf,
  HERE,
  hands,
  neverRead,
  parameter,
  readBy,
  readWhenRotated,
  replicaOf,
  secret,
  THERE,
  userOfAdmin,
  withReplica,
} from './facts.ts'
import { type Cases, lookAt } from './ruleCases.ts'

const cases: Cases = {}

const replicated = () => secret('a', withReplica())

cases['never-read'] = {
  hits: {
    'older than the policy asks': { facts: [neverRead('a')] },
  },
  near: {
    'younger than that': { facts: [neverRead('a', { created: ago(89) })] },
    'read in another Region': {
      facts: [
        neverRead('a', withReplica({ lastAccessed: dayAgo(2) })),
        replicaOf(replicated(), { lastAccessed: dayAgo(2) }),
      ],
      found: [],
    },
    'an admin, which only Keyturn reads': {
      facts: [neverRead('admin'), userOfAdmin('a')],
    },
  },
}
cases['not-read'] = {
  hits: {
    'for longer than the policy asks': {
      facts: [secret('a', { lastAccessed: dayAgo(92), readers: [] })],
    },
  },
  near: {
    'until the last day': {
      facts: [
        secret('a', {
          lastAccessed: dayAgo(90),
          history: { is: { rotations: [] } },
          current: { at: ago(10), by: 'version' },
        }),
      ],
    },
    'what a service manages': {
      facts: [secret('rds!a', { lastAccessed: dayAgo(200), readers: [], owningService: 'rds' })],
    },
    'where the policy does not mind': {
      facts: [secret('a', { lastAccessed: dayAgo(200), readers: [] })],
      policy: { unreadAfter: 'never' },
    },
  },
}
cases['read-by-keyturn-alone'] = {
  hits: {
    'a secret, read on the day of its rotation': { facts: [readWhenRotated('a')] },
    'a parameter that nobody reads': { facts: [parameter('/a', { readers: [readBy('keyturn', 1, true)] })] },
    'tries that were refused are no reads': {
      facts: [parameter('/a', { readers: [{ ...readBy('eve', 1), reads: 0, denied: 3 }] })],
    },
  },
  near: {
    'others were seen reading': {
      facts: [readWhenRotated('a', { readers: [readBy('shop', 5)] })],
    },
    'others were seen reading its replica': {
      facts: [
        { ...replicated(), lastAccessed: dayAgo(10), readers: [] },
        replicaOf(replicated(), { lastAccessed: dayAgo(10), readers: [readBy('shop', 5)] }),
      ],
    },
    'a parameter that is a day old': {
      facts: [
        parameter('/a', {
          readers: [],
          changed: ago(1),
          current: { at: ago(1), by: 'last-changed' },
          history: { is: { rotations: [] } },
        }),
      ],
    },
  },
}

cases['aws-key'] = {
  hits: {
    'where the policy wants another': {
      facts: [secret('a'), parameter('/a', { keyId: 'alias/aws/ssm' })],
      policy: { customerKey: true },
      found: ['aws-key /a', 'aws-key a'],
    },
  },
  near: {
    'where it does not': { facts: [secret('a')] },
    'a key of its own': { facts: [secret('a', { keyId: 'alias/shop' })], policy: { customerKey: true } },
    'a plain parameter, which has none': {
      facts: [parameter('/a', { type: 'String' })],
      policy: { customerKey: true },
    },
  },
}
cases['plain-string'] = {
  hits: {
    'named like a secret': { facts: [parameter('/shop/DB_PASSWORD', { type: 'String', tags: { is: {} } })] },
    'behind an abbreviation': {
      facts: [parameter('/shop/DBPassword', { type: 'String', tags: { is: {} } })],
    },
    'in camel case, with a number': {
      facts: [parameter('/shop/apiKey2', { type: 'StringList', tags: { is: {} } })],
    },
  },
  near: {
    'a word in the middle': {
      facts: [parameter('/shop/password-length', { type: 'String', tags: { is: {} } })],
    },
    'a folder of that name': {
      facts: [parameter('/secret/colour', { type: 'String', tags: { is: {} } })],
    },
    'a SecureString': { facts: [parameter('/shop/password')] },
  },
}
cases['outside-paths'] = {
  hits: { elsewhere: { facts: [parameter('/test/a')], policy: { parameterPaths: ['/prod/'] } } },
  near: {
    within: { facts: [parameter('prod/a')], policy: { parameterPaths: ['/prod/'] } },
    'a plain parameter': {
      facts: [parameter('/test/a', { type: 'String' })],
      policy: { parameterPaths: ['/prod/'] },
    },
  },
}
cases.expires = {
  hits: { 'what rotates': { facts: [parameter('/a', { policies: ['Expiration'] })] } },
  near: {
    'only a notice': { facts: [parameter('/a', { policies: ['ExpirationNotification'] })] },
    'what does not rotate': {
      facts: [parameter('/a', { policies: ['Expiration'], tags: { is: hands } })],
      policy: { mustRotate: false },
    },
  },
}
cases['owner-missing'] = {
  hits: {
    'no tag': { facts: [secret('a', { tags: { is: { ...enrolled, team: '' } } })] },
  },
  near: {
    'the other tag': {
      facts: [secret('a', { tags: { is: { ...enrolled, team: '', owner: 'shop' } } })],
    },
    'where the policy asks for none': {
      facts: [secret('a', { tags: { is: { ...enrolled, team: '' } } })],
      policy: { ownerTags: [] },
    },
  },
}

const allow = (principal: unknown, condition?: object, more: object[] = []) =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: principal,
        Action: 'secretsmanager:GetSecretValue',
        Resource: '*',
        ...(condition && { Condition: condition }),
      },
      ...more,
    ],
  })
const withPolicy = (policy: string, exposed: object = {}) => ({
  facts: factsOf([secret('a', { policy: { is: policy } })], {
    here: { exposed: { is: undefined }, ...exposed },
  }),
})
const shared = (policy: string) => ({
  facts: [parameter('/a', { tier: 'Advanced', policy: { is: policy } })],
})
const read = (text: string) => text.replace('secretsmanager:GetSecretValue', 'ssm:GetParameter')
const denyAll = { Effect: 'Deny', Principal: '*', Action: 'secretsmanager:*', Resource: '*' }
const overTls = {
  Effect: 'Deny',
  Principal: '*',
  Action: '*',
  Resource: '*',
  Condition: { Bool: { 'aws:SecureTransport': 'false' } },
}
cases['open-to-everybody'] = {
  hits: {
    'the principal *': withPolicy(allow('*')),
    'every account': withPolicy(allow({ AWS: '*' })),
    'denied only without TLS': withPolicy(allow('*', undefined, [overTls])),
    'all but an action': withPolicy(
      allow('*').replace('"Action":"secretsmanager:Get', '"NotAction":"secretsmanager:Delete'),
    ),
    'a condition that asks for nothing': withPolicy(allow('*', {})),
    'denied to delete it': withPolicy(
      allow('*', undefined, [{ ...denyAll, Action: ['secretsmanager:Delete*', 'kms:Decrypt'] }]),
    ),
    'a parameter': shared(read(allow('*'))),
  },
  near: {
    'denied to all': withPolicy(allow('*', undefined, [denyAll])),
    'what tells nothing of the value': withPolicy(allow('*').replace('GetSecretValue', 'DescribeSecret')),
    'no policy': { facts: [secret('a')] },
    'a parameter, denied to all': shared(read(allow('*', undefined, [{ ...denyAll, Action: 'ssm:*' }]))),
    'what tells nothing of the value of a parameter': shared(
      read(allow('*')).replace('GetParameter', 'DescribeParameters'),
    ),
  },
}
cases['open-to-account'] = {
  hits: {
    'its root': withPolicy(allow({ AWS: 'arn:aws:iam::999999999999:root' })),
    'a parameter that is shared': shared(read(allow({ AWS: '999999999999' }))),
    'a number beside the own': withPolicy(allow({ AWS: [ACCOUNT, '999999999999'] })),
  },
  near: {
    'the own account': withPolicy(allow({ AWS: `arn:aws:iam::${ACCOUNT}:role/shop` })),
    'one that the policy trusts': {
      ...withPolicy(allow({ AWS: '999999999999' })),
      policy: { trustedAccounts: ['999999999999'] },
    },
  },
}
cases['open-to-organisation'] = {
  hits: {
    'by its id': withPolicy(allow('*', { StringEquals: { 'aws:PrincipalOrgID': 'o-abcdef1234' } })),
  },
  near: {
    'everybody is denied': withPolicy(
      allow('*', { StringEquals: { 'aws:PrincipalOrgID': 'o-abcdef1234' } }, [denyAll]),
    ),
  },
}
cases['open-to-service'] = {
  hits: { 'one of AWS': withPolicy(allow({ Service: 'backup.amazonaws.com' })) },
  near: { 'a denial alone': withPolicy(JSON.stringify({ Statement: denyAll })) },
}
const vague = allow('*', { StringLike: { 'aws:PrincipalArn': '*' } })
cases['open-unclear'] = {
  hits: {
    'a condition': withPolicy(vague),
    'everybody but some': withPolicy(
      JSON.stringify({
        Statement: [{ Effect: 'Allow', NotPrincipal: { AWS: ACCOUNT }, Action: '*', Resource: '*' }],
      }),
    ),
    'denied to some': withPolicy(
      allow('*', undefined, [
        { ...denyAll, Condition: { StringNotEquals: { 'aws:PrincipalOrgID': 'o-x' } } },
      ]),
    ),
    'denied of another secret': withPolicy(
      allow('*', undefined, [{ ...denyAll, Resource: 'arn:aws:secretsmanager:eu-west-1:1:secret:b' }]),
    ),
    'denied to read it, by a pattern': withPolicy(
      allow('*', undefined, [{ ...denyAll, Action: `${'*?'.repeat(9)}value` }]),
    ),
    'all but reading': withPolicy(allow('*').replace('"Action"', '"NotAction"')),
    'a parameter with a condition, which no analyzer looks at': shared(read(vague)),
    'a role that is gone': withPolicy(allow({ AWS: 'AROAEXAMPLE' })),
    'no policy of a form that is known': withPolicy('{"Statement":"?"}'),
  },
  near: { 'Access Analyzer weighs it': withPolicy(vague, { exposed: { is: {} } }) },
}
cases.exposed = {
  hits: {
    'by Access Analyzer': withPolicy(vague, { exposed: { is: { [secret('a').arn]: 'everybody' } } }),
  },
  near: {
    'another secret': withPolicy(vague, { exposed: { is: { [secret('b').arn]: 'everybody' } } }),
  },
}

cases.inventory = {
  hits: {
    'secrets that could not be listed': {
      facts: factsOf([], { there: { secrets: { unread: 'AccessDenied' } } }),
      found: [`inventory ${THERE}: unread`],
    },
  },
  near: { 'all were': { facts: factsOf([]) } },
}
cases['alarms-unheard'] = {
  hits: {
    nobody: { facts: factsOf([], { here: { subscribers: { is: 0 } } }), found: [`alarms-unheard ${HERE}`] },
  },
  near: {
    'one has confirmed': { facts: factsOf([], { here: { subscribers: { is: 1 } } }) },
    'there is no stack': {
      facts: factsOf([], { there: { subscribers: { is: undefined }, stack: { is: undefined } } }),
    },
  },
}
const many = (count: number, schedule: string) =>
  Array.from({ length: count }, (_, n) =>
    secret(`a${n}`, { tags: { is: hands }, rotation: byService({ schedule }) }),
  )
cases['same-minute'] = {
  hits: {
    'one expression': {
      facts: many(4, 'cron(0 3 * * ? *)'),
      policy: { sameMinute: 3 },
      found: [`same-minute ${HERE}`],
    },
    'enrolled together, without a jitter': {
      facts: [1, 2, 3, 4].map(n => secret(`a${n}`)),
      policy: { sameMinute: 3 },
      found: [`same-minute ${HERE}`],
    },
  },
  near: {
    'as many as may': { facts: many(3, 'cron(0 3 * * ? *)'), policy: { sameMinute: 3 } },
    'a rate, whose next date is the last second of a day': {
      facts: many(4, 'rate(30 days)'),
      policy: { sameMinute: 3 },
    },
    'enrolled together, with a jitter': {
      facts: [1, 2, 3, 4].map(n =>
        secret(`a${n}`, { tags: { is: { ...enrolled, 'keyturn:jitter': '7d' } } }),
      ),
      policy: { sameMinute: 3 },
    },
  },
}

lookAt([...readingRules, ...storageRules, ...accessRules, ...deploymentRules], cases)
