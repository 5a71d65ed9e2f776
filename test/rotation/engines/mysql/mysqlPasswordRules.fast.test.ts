import { expect, test } from 'vitest'
import {
  findBrokenRule,
  type GlobalVariables,
} from '../../../../rotation/engines/mysql/mysqlPasswordRules.ts'

const byDefault = {
  policy: 'MEDIUM',
  length: '8',
  mixed_case_count: '1',
  number_count: '1',
  special_char_count: '1',
  check_user_name: 'ON',
  dictionary_file: '',
  changed_characters_percentage: '0',
}
const against = (changed: GlobalVariables, password: string, replaced = '0123456789', separator = '.') => {
  const all = Object.entries({ ...byDefault, ...changed })
  const settings = Object.fromEntries(
    all.map(([name, value]) => [`validate_password${separator}${name}`, value]),
  )
  return findBrokenRule(settings, 'ann', password, replaced)?.replace(`validate_password${separator}`, '')
}

test('a server without rules for passwords finds no broken rule', () => {
  expect(findBrokenRule({ password_history: '5' }, 'ann', 'x', 'y')).toBeUndefined()
})

test.each<[GlobalVariables, string, string | undefined]>([
  [{}, 'aA1!bbbb', undefined],
  [{}, 'aA1!bbb', 'length'],
  [{ length: '9' }, 'aA1!bbbb', 'length'],
  [{}, 'AA1!BBBB', 'mixed_case_count'],
  [{}, 'aa1!bbbb', 'mixed_case_count'],
  [{}, 'aAa!bbbb', 'number_count'],
  [{}, 'aA11bbbb', 'special_char_count'],
  [{ special_char_count: '2' }, 'aA1!bbbb', 'special_char_count'],
  // What the server counts as a small letter, a capital or a sign, outside of ASCII, is not known here.
  [{}, 'äA1!9999', 'mixed_case_count'],
  [{}, 'aÄ1!9999', 'mixed_case_count'],
  [{}, 'aA1日9999', 'special_char_count'],
  [{ policy: 'LOW' }, '日日日日日日日日', undefined],
  [{ policy: 'LOW' }, 'bbbbbbbb', undefined],
  [{ policy: 'LOW' }, 'bbbbbbb', 'length'],
  [{ policy: 'LOW', length: '3' }, 'ann', 'check_user_name'],
  [{ policy: 'LOW', length: '3' }, 'nna', 'check_user_name'],
  [{ policy: 'LOW', length: '3' }, 'Ann', undefined],
  [{ policy: 'LOW', length: '3', check_user_name: 'OFF' }, 'ann', undefined],
  [{ policy: 'STRONG' }, 'aA1!bbbb', undefined],
  [{ policy: 'STRONG', dictionary_file: '/words' }, 'aA1!bbbb', 'dictionary_file'],
  [{ dictionary_file: '/words' }, 'aA1!bbbb', undefined],
])('with the settings %j, the password %s breaks the rule %s', (changed, password, rule) => {
  for (const separator of ['.', '_']) expect(against(changed, password, undefined, separator)).toBe(rule)
})

test.each([
  ['100', 'abcdefgh', '12345678', undefined],
  ['100', 'abcdefg1', '12345678', 'changed_characters_percentage'],
  ['50', 'abcdABCD', '12345678', undefined],
  ['51', 'abcdABCD', '1234567', undefined],
  ['63', 'abcdABCD', '12345678', 'changed_characters_percentage'],
  ['50', 'abcdefgh', 'ABCDEFGH', 'changed_characters_percentage'],
  ['20', 'abcdefgh', 'ABCDEFG!'.repeat(2), 'changed_characters_percentage'],
  ['0', 'same', 'same', undefined],
])(
  'where %s percent must change, the password %s in place of %s breaks the rule %s',
  (percentage, password, replaced, rule) => {
    const rules = { policy: 'LOW', length: '0', changed_characters_percentage: percentage }
    expect(against(rules, password, replaced)).toBe(rule)
  },
)
