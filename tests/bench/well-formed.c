#include "well-formed.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Each takes a part off the text, and gives NULL if it is not there. */
static const char *take_value(const char *text);

static const char *skip_space(const char *text)
{
    while (text && isspace((unsigned char)*text))
        text++;
    return text;
}

static const char *take(const char *text, char wanted)
{
    text = skip_space(text);
    return text && *text == wanted ? text + 1 : NULL;
}

static const char *take_string(const char *text)
{
    text = take(text, '"');
    while (text && *text && *text != '"')
        text += *text == '\\' && text[1] ? 2 : 1;
    return text && *text ? text + 1 : NULL;
}

static const char *take_member(const char *text)
{
    return take_value(take(take_string(text), ':'));
}

static const char *take_list(const char *text, const char *(*take_item)(const char *text), char end)
{
    const char *next = take(text, end);
    if (next)
        return next;
    for (;;) {
        text = take_item(text);
        if ((next = take(text, end)))
            return next;
        if (!(text = take(text, ',')))
            return NULL;
    }
}

static const char *take_number(const char *text)
{
    char *end;
    if (!text || !(*text == '-' || isdigit((unsigned char)*text)))
        return NULL;
    strtod(text, &end);
    return end;
}

static const char *take_value(const char *text)
{
    text = skip_space(text);
    if (!text)
        return NULL;
    switch (*text) {
    case '{':
        return take_list(text + 1, take_member, '}');
    case '[':
        return take_list(text + 1, take_value, ']');
    case '"':
        return take_string(text);
    default:
        return take_number(text);
    }
}

bool is_json(const char *text)
{
    const char *end = skip_space(take_value(text));
    return end && !*end;
}

/* Of the element whose tag starts at text, behind "<": where it ends. */
static const char *take_element(const char *text)
{
    size_t name = strcspn(text, " />");
    const char *tag = text, *end = strchr(text, '>');
    if (!end || !name || memchr(text, '<', (size_t)(end - text)))
        return NULL;
    if (end[-1] == '/')
        return end + 1;
    for (text = end + 1; (text = strchr(text, '<'));) {
        if (text[1] != '/') {
            if (!(text = take_element(text + 1)))
                return NULL;
            continue;
        }
        bool ours = strncmp(text + 2, tag, name) == 0 && text[2 + name] == '>';
        return ours ? text + name + 3 : NULL;
    }
    return NULL;
}

bool is_xml(const char *text)
{
    if (strncmp(text, "<?xml ", 6) == 0)
        text = strstr(text, "?>") ? strstr(text, "?>") + 2 : "";
    text = skip_space(text);
    const char *end = *text == '<' ? skip_space(take_element(text + 1)) : NULL;
    return end && !*end;
}
