/*
 * attr - compiler attributes; nothing else in the tree names one directly (style.md, habit 1).
 */
#ifndef TRIVET_BASE_ATTR_H
#define TRIVET_BASE_ATTR_H

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define UNUSED __attribute__((unused))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
