import { expect, test } from 'vitest'
import { statementsByLogin } from '../../../bench/official/bare/recordRotation.ts'

test.each([
  [
    'postgres',
    `2026-11-30 09:54:55.953 UTC [22] LOG:  connection received: host=127.0.0.1 port=4
2026-11-30 09:54:56.056 UTC [22] LOG:  connection authorized: user=app_1 database=db application_name=keyturn
2026-11-30 09:54:56.059 UTC [22] LOG:  statement: set local datestyle = iso; select a,
\t      b
2026-11-30 09:54:56.064 UTC [22] LOG:  statement: alter role "app_1" password 'x'
2026-11-30 09:54:56.127 UTC [23] LOG:  connection authorized: user=app_1 database=db application_name=keyturn
2026-11-30 09:54:56.130 UTC [23] LOG:  statement: select 1
`,
    [['set local datestyle = iso; select a,\n      b', `alter role "app_1" password 'x'`], ['select 1']],
  ],
  [
    'mysql',
    `2026-11-30T09:55:00.246393Z\t   11 Connect\tapp_1@127.0.0.1 on db using SSL/TLS
2026-11-30T09:55:00.251556Z\t   11 Query\tset session sql_mode = '',
     max_execution_time = 15000
2026-11-30T09:55:00.305553Z\t   11 Quit\t
2026-11-30T09:55:00.346014Z\t   12 Connect\tapp_1@127.0.0.1 on db using SSL/TLS
`,
    [["set session sql_mode = '',\n     max_execution_time = 15000"], []],
  ],
  [
    'mariadb',
    `261130  9:55:03\t     7 Connect\tapp_1@127.0.0.1 on db using SSL/TLS
\t\t     7 Query\tselect 1
\t\t     7 Query\tset password = '*81'
\t\t     7 Quit\t
`,
    [['select 1', "set password = '*81'"]],
  ],
] as const)('%s: the log has each login, and its statements to their last line', (engine, log, logins) => {
  expect(statementsByLogin(engine, log)).toEqual(logins)
})
