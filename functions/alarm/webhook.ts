import type { Alarm } from './alarm.ts'

/** The webhook did not take the alarm. Says which service and why, and never the URL, which is a secret. */
export class WebhookFailed extends Error {
  override readonly name = 'WebhookFailed'
}

const timeout = 5_000

type Service = { name: string; host: RegExp; body(alarm: Alarm, url: URL): object }

const services: Service[] = [
  {
    name: 'Slack',
    host: /^hooks\.slack(-gov)?\.com$/,
    body: ({ subject, headline, facts, runbook, console }) => {
      const lines = [...facts, ['What to do', runbook], ...(console ? [['Console', console]] : [])]
      const text = lines.map(([label, value]) => `*${label}:* ${escapeSlack(value ?? '')}`).join('\n')
      return { text: `*${escapeSlack(subject)}*\n${escapeSlack(headline)}\n${text}` }
    },
  },
  {
    name: 'Teams',
    // Connectors, and the two hosts of workflows.
    host: /\.(webhook\.office\.com|logic\.azure\.com|api\.powerplatform\.com)$/,
    body: ({ subject, headline, facts, runbook, console, severity }) => ({
      type: 'message',
      attachments: [
        {
          contentType: 'application/vnd.microsoft.card.adaptive',
          content: {
            $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
            type: 'AdaptiveCard',
            version: '1.4',
            body: [
              {
                type: 'TextBlock',
                text: subject,
                weight: 'bolder',
                wrap: true,
                color: severity === 'critical' ? 'attention' : 'warning',
              },
              { type: 'TextBlock', text: headline, wrap: true },
              {
                type: 'FactSet',
                facts: [...facts, ['What to do', runbook]].map(([title, value]) => ({ title, value })),
              },
            ],
            actions: console ? [{ type: 'Action.OpenUrl', title: 'Execution', url: console }] : [],
          },
        },
      ],
    }),
  },
  {
    name: 'PagerDuty',
    host: /^events\.(eu\.)?pagerduty\.com$/,
    body: ({ keys, subject, headline, facts, runbook, console, severity, at }, url) => ({
      routing_key: decodeURIComponent(url.hash.slice(1)),
      event_action: 'trigger',
      dedup_key: keys[0].slice(0, 255),
      payload: {
        summary: subject,
        source: 'keyturn',
        severity,
        timestamp: new Date(at).toISOString(),
        custom_details: { ...Object.fromEntries(facts), 'What happened': headline, 'What to do': runbook },
      },
      links: console ? [{ href: console, text: 'Execution' }] : [],
    }),
  },
]

const escapeSlack = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/**
 * Posts the alarm to the service that the URL's host belongs to: Slack, Teams or PagerDuty, whose routing key is the
 * URL's fragment.
 * @throws WebhookFailed
 */
export async function postWebhook(address: string, alarm: Alarm, send = fetch): Promise<void> {
  const url = URL.parse(address.trim())
  const service = services.find(({ host }) => url && host.test(url.hostname))
  if (!url || !service || url.protocol !== 'https:')
    throw new WebhookFailed('the webhook should be an https URL of Slack, Teams or PagerDuty')
  const body = JSON.stringify(service.body(alarm, url))
  url.hash = ''
  // A redirect is refused as it would take the alarm elsewhere.
  const request = { method: 'POST', body, redirect: 'manual', signal: AbortSignal.timeout(timeout) } as const
  const response = await send(url, { ...request, headers: { 'content-type': 'application/json' } }).catch(
    error => {
      // Not as its cause: what fetch throws may hold the URL.
      throw new WebhookFailed(`${service.name}: ${error?.cause?.code ?? error?.name ?? 'no answer'}`)
    },
  )
  await response.body?.cancel()
  if (!response.ok) throw new WebhookFailed(`${service.name} answered ${response.status}`)
}
