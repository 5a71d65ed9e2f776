import { admins, key } from './stacks.ts'

const executions = 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate'
const common = { POWERTOOLS_SERVICE_NAME: 'keyturn-test' }
const database = { ...common, KEYTURN_CA_FILE: 'authorities.pem' }
const create = {
  KEYTURN_EXECUTIONS: executions,
  KEYTURN_GRACE: '7d',
  PASSWORD_LENGTH: '40',
  EXCLUDE_CHARACTERS: '/@"',
  EXCLUDE_NUMBERS: 'false',
  EXCLUDE_PUNCTUATION: 'true',
  EXCLUDE_UPPERCASE: 'false',
  EXCLUDE_LOWERCASE: 'false',
  REQUIRE_EACH_INCLUDED_TYPE: 'true',
}
const peers = { KEYTURN_PEER_REGIONS: 'eu-central-1,us-east-1' }
const promotion = { ...common, ...peers, KEYTURN_PROMOTION_TABLE: 'Promotions' }
/** The environment of every function, with every parameter set. */
export const variables: Record<string, object> = {
  createSecret: { ...common, ...create },
  setSecret: { ...database, KEYTURN_EXECUTIONS: executions },
  testSecret: { ...database, KEYTURN_TEST_QUERY_MAY_WRITE: 'false' },
  finishSecret: common,
  awaitReplicas: { ...common, ...peers },
  rollbackSecret: { ...database, KEYTURN_EXECUTIONS: executions, KEYTURN_GRACE: '7d' },
  retireSecret: database,
  rotateSecret: { ...database, ...create, KEYTURN_TEST_QUERY_MAY_WRITE: 'false' },
  checkCredential: {
    ...database,
    ...create,
    KEYTURN_KMS_KEY: key,
    KEYTURN_ROTATION_FUNCTION: 'RotateSecretLambdaFunction.Arn',
    KEYTURN_TEST_QUERY_MAY_WRITE: 'false',
  },
  setAdmin: {
    ...database,
    KEYTURN_ADMIN_SECRET_ARNS: admins.join(','),
    KEYTURN_ROTATION_FUNCTION: 'RotateSecretLambdaFunction.Arn',
    KEYTURN_EXECUTIONS: executions,
  },
  findDue: {
    ...common,
    KEYTURN_RUNS: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate-due',
    KEYTURN_ROTATION_FUNCTION: 'RotateSecretLambdaFunction.Arn',
    KEYTURN_MAX_ROTATIONS: '100',
    KEYTURN_MAX_ROTATIONS_PER_HOST: '10',
    KEYTURN_DUE_SCHEDULE: 'rate(5 minutes)',
    ...peers,
    KEYTURN_TAG_SCHEDULES: 'true',
  },
  rotateServer: { ...common, KEYTURN_EXECUTIONS: executions },
  takeSlot: { ...common, KEYTURN_EXECUTIONS: executions },
  startRotation: { ...common, KEYTURN_EXECUTIONS: executions, KEYTURN_ALARM_TABLE: 'AlarmLedger' },
  awaitRotation: { ...common, KEYTURN_EXECUTIONS: executions },
  reportRotations: common,
  raiseAlarm: {
    ...common,
    KEYTURN_ALARM_TOPIC: 'AlarmTopic',
    KEYTURN_ALARM_TABLE: 'AlarmLedger',
    KEYTURN_EXECUTIONS: executions,
    KEYTURN_RUNBOOK: 'https://wiki.example/runbook',
    KEYTURN_STAGE: 'test',
    KEYTURN_WEBHOOK_PARAMETER: '/keyturn/webhook',
  },
  findReplicas: promotion,
  findVersion: { ...database, KEYTURN_HOST_MAP: 'hosts.json' },
  handOver: common,
  promoteReplica: {
    ...common,
    KEYTURN_HOST_MAP: 'hosts.json',
    KEYTURN_ROTATION_FUNCTION: 'RotateSecretLambdaFunction.Arn',
  },
  notePromotion: { ...common, KEYTURN_PROMOTION_TABLE: 'Promotions' },
  reportPromotion: promotion,
  switchRegion: {
    ...common,
    ...peers,
    KEYTURN_PROMOTIONS: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-promote',
    KEYTURN_REGION_SWITCH: 'lost',
  },
  recordRotation: {
    ...common,
    KEYTURN_EXECUTIONS: executions,
    KEYTURN_RECORD_TABLE: 'RotationRecords',
  },
}
