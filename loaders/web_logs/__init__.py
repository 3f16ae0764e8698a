"""The website's usage logs, which are generated: users, sessions, searches, clicks, purchases."""

NAME = "web_logs"
TABLES = ("users", "sessions", "searches", "clicks", "purchases")
