import { expect, test } from 'vitest'
import { editRecordOf, isEditCurrent } from '../../../fleet/records/editRecord.ts'

const execution = 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-prod-set-admin:one'
const answer = {
  store: 'secrets-manager',
  id: 'shop/database',
  arn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/database-AbCdEf',
  admin: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/admin-AbCdEf',
  version: 'new',
  replaced: 'old',
  made: '2026-11-30T10:00:00.000Z',
  passwordSince: '2026-01-01T10:00:00.000Z',
}
const history = (state: object, name = 'AnnounceAdminSet') => [
  { type: 'ExecutionStarted', executionStartedEventDetails: { input: JSON.stringify(answer) } },
  { type: 'TaskStateEntered', stateEnteredEventDetails: { name, input: JSON.stringify(state) } },
]

test('the record of an edit has what its execution announced, and only the keys that are kept', () => {
  expect(editRecordOf(execution, history({ ...answer, outcome: 'set' }))).toEqual({ ...answer, execution })
})

test.each<[string, object, string?]>([
  ['named the admin before', { ...answer, outcome: 'already' }, 'AdminIsSet'],
  ['has not written yet', answer, 'SetAdmin'],
  ['does not tell a date', { ...answer, passwordSince: undefined }],
  ['is about no store', { ...answer, store: 's3' }],
  ['tells a text without end', { ...answer, version: 'x'.repeat(5000) }],
])('an execution that %s made no edit', (_, state, name) => {
  expect(editRecordOf(execution, history(state, name))).toBeUndefined()
})

test('an edit is current as long as its version is, or if that is unknown, a version of its date', () => {
  expect(isEditCurrent(answer, { version: 'new', at: '2026-12-24T00:00:00.000Z' })).toBe(true)
  expect(isEditCurrent(answer, { version: 'other', at: answer.made })).toBe(false)
  expect(isEditCurrent(answer, { at: '2026-11-30T10:00:00.400Z' })).toBe(true)
  expect(isEditCurrent(answer, { at: '2026-11-30T10:05:00.000Z' })).toBe(false)
  expect(isEditCurrent(answer, {})).toBe(false)
})
